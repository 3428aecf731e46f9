/* Builds an environ from the block of a request packet. Names come from a
 * table, so that each is one interned string with its hash known. Values are
 * decoded straight from the packet or the arena.
 *
 * Most requests have the names of the one before, in the same order, and many
 * of its values. So a slot keeps an environ as a template, before an app gets
 * it; the next begins as its copy, and only values that differ are decoded. */
#include <stdlib.h>

#include "girin.h"

/* A name seen before, owned, and where its text lies in it. A free place has
 * name NULL. */
struct Key {
    PyObject *name;
    Text text;
};

/* Clients choose the names of fields, so the table is bounded: the first names
 * to come stay, and those that are always welcome are there from the start. */
enum { PLACES = 512, MAX_KEYS = 384, PROBES = 8 };

static const char *const well_known[] = {
    "REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "RAW_URI", "SERVER_PROTOCOL", "REMOTE_ADDR", "REMOTE_PORT",
    "SCRIPT_NAME", "CONTENT_LENGTH", "CONTENT_TYPE", "wsgi.url_scheme", "HTTP_HOST", "HTTP_CONNECTION",
    "HTTP_USER_AGENT", "HTTP_ACCEPT", "HTTP_ACCEPT_ENCODING", "HTTP_ACCEPT_LANGUAGE", "HTTP_AUTHORIZATION",
    "HTTP_CACHE_CONTROL", "HTTP_COOKIE", "HTTP_DNT", "HTTP_IF_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_NONE_MATCH",
    "HTTP_IF_RANGE", "HTTP_ORIGIN", "HTTP_PRAGMA", "HTTP_PRIORITY", "HTTP_RANGE", "HTTP_REFERER", "HTTP_SEC_CH_UA",
    "HTTP_SEC_CH_UA_MOBILE", "HTTP_SEC_CH_UA_PLATFORM", "HTTP_SEC_FETCH_DEST", "HTTP_SEC_FETCH_MODE",
    "HTTP_SEC_FETCH_SITE", "HTTP_SEC_FETCH_USER", "HTTP_TE", "HTTP_TRACEPARENT", "HTTP_UPGRADE_INSECURE_REQUESTS",
    "HTTP_X_CSRFTOKEN", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PROTO", "HTTP_X_REAL_IP",
    "HTTP_X_REQUEST_ID", "HTTP_X_REQUESTED_WITH",
};

/* Mixes the length, the first and the last eight bytes. */
static uint32_t
hash(const char *text, Py_ssize_t size)
{
    uint64_t first = 0, last = 0;
    if (size >= 8) {
        memcpy(&first, text, 8);
        memcpy(&last, text + size - 8, 8);
    } else {
        memcpy(&first, text, (size_t)size);
    }
    uint64_t mixed = (first ^ (last * 0x9e3779b97f4a7c15u) ^ (uint64_t)size) * 0xff51afd7ed558ccdu;
    return (uint32_t)(mixed >> 40);
}

static int
same(const Text *one, const Text *other)
{
    return one->size == other->size && memcmp(one->at, other->at, (size_t)one->size) == 0;
}

/* Returns the place of a name, or a free one for it; NULL: there is none. */
static Key *
find(Loop *loop, const Text *name)
{
    uint32_t first = hash(name->at, name->size);
    for (uint32_t i = 0; i < PROBES; i++) {
        Key *place = &loop->keys[(first + i) % PLACES];
        if (place->name == NULL) {
            return loop->key_count < MAX_KEYS ? place : NULL;
        }
        if (same(&place->text, name)) {
            return place;
        }
    }
    return NULL;
}

/* Returns the string, which the caller owns. */
static PyObject *
decode(const Text *text)
{
    return PyUnicode_DecodeLatin1(text->at, text->size, NULL);
}

/* Returns the name, which the caller owns, and remembers it if there is a
 * place and it is ASCII. */
static PyObject *
name_of(Loop *loop, const Text *text)
{
    Key *place = find(loop, text);
    if (place != NULL && place->name != NULL) {
        return Py_NewRef(place->name);
    }
    PyObject *name = decode(text);
    if (name == NULL || place == NULL) {
        return name;
    }
    PyUnicode_InternInPlace(&name);
    place->text.at = ascii_text(name, &place->text.size);
    if (place->text.at != NULL) {
        place->name = Py_NewRef(name);
        loop->key_count++;
    }
    return name;
}

/* Makes the table of names. */
int
keys_new(Loop *loop)
{
    loop->keys = calloc(PLACES, sizeof(Key));
    if (loop->keys == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < sizeof well_known / sizeof well_known[0]; i++) {
        Text text = {well_known[i], (Py_ssize_t)strlen(well_known[i])};
        PyObject *name = name_of(loop, &text);
        if (name == NULL) {
            return -1;
        }
        Py_DECREF(name);
    }
    return 0;
}

void
keys_free(Loop *loop)
{
    if (loop->keys != NULL) {
        for (int i = 0; i < PLACES; i++) {
            Py_XDECREF(loop->keys[i].name);
        }
    }
    free(loop->keys);
}

/* What is left of a block, and how to read it. */
typedef struct {
    const char *at, *end;
    int last_was_last; /* form 1: no NUL followed the string that was read */
} Reader;

static int
does_not_pair(Loop *loop)
{
    PyErr_SetString(loop->protocol_error, "the environ block's keys and values do not pair");
    return -1;
}

/* Form 1: reads up to the next NUL or the end of the block; 0: there is no
 * string any more. A block that ends with a NUL has an empty string after it. */
static int
next_joined(Reader *reader, Text *text)
{
    if (reader->last_was_last) {
        return 0;
    }
    const char *nul = memchr(reader->at, '\0', (size_t)(reader->end - reader->at));
    reader->last_was_last = nul == NULL;
    const char *end = nul != NULL ? nul : reader->end;
    *text = (Text){reader->at, end - reader->at};
    reader->at = nul != NULL ? nul + 1 : reader->end;
    return 1;
}

/* Form 2: reads a length and so many bytes; 0: there is no string any more. */
static int
next_with_length(Loop *loop, Reader *reader, Text *text)
{
    if (reader->at == reader->end) {
        return 0;
    }
    size_t left = (size_t)(reader->end - reader->at);
    if (left < 4 || get_u32(reader->at) > left - 4) {
        PyErr_SetString(loop->protocol_error, "a string reaches over the end of the environ block");
        return -1;
    }
    *text = (Text){reader->at + 4, (Py_ssize_t)get_u32(reader->at)};
    reader->at = text->at + text->size;
    return 1;
}

static int
next(Loop *loop, const Request *request, Reader *reader, Text *text)
{
    return request->form == JOINED ? next_joined(reader, text) : next_with_length(loop, reader, text);
}

static int
is_head_method(const Text *method)
{
    return method->size == 4 && memcmp(method->at, "HEAD", 4) == 0;
}

/* Sets a variable, and is_head if it is the method. */
static int
set_variable(Loop *loop, PyObject *environ, PyObject *name, const Text *text, int *is_head)
{
    PyObject *value = decode(text);
    int failed = value != NULL ? PyDict_SetItem(environ, name, value) : -1;
    Py_XDECREF(value);
    if (name == loop->key_method) {
        *is_head = is_head_method(text);
    }
    return failed;
}

static int
set_variables(Loop *loop, const Request *request, PyObject *environ, int *is_head)
{
    Reader reader = {request->environ, request->environ + request->environ_size, 0};
    Text name_text, value_text;
    int found;
    while ((found = next(loop, request, &reader, &name_text)) > 0) {
        found = next(loop, request, &reader, &value_text);
        if (found == 0) {
            return does_not_pair(loop);
        }
        PyObject *name = found > 0 ? name_of(loop, &name_text) : NULL;
        int failed = name != NULL ? set_variable(loop, environ, name, &value_text, is_head) : -1;
        Py_XDECREF(name);
        if (failed) {
            return -1;
        }
    }
    return found;
}

static int
check_method(Loop *loop, PyObject *environ)
{
    PyObject *method = PyDict_GetItemWithError(environ, loop->key_method);
    if (method == NULL && !PyErr_Occurred()) {
        PyErr_SetObject(PyExc_KeyError, loop->key_method);
    }
    return method != NULL ? 0 : -1;
}

/* Returns an environ that is complete but for what set_objects sets; the
 * caller owns it. */
static PyObject *
from_base(Loop *loop, PyObject *base, const Request *request, int *is_head)
{
    PyObject *environ = PyDict_Copy(base);
    if (environ == NULL) {
        return NULL;
    }
    if (set_variables(loop, request, environ, is_head) < 0 || check_method(loop, environ) < 0) {
        Py_DECREF(environ);
        return NULL;
    }
    return environ;
}

/* The template. */

/* Takes the names and values of a block that was just read; 0: it has too many,
 * or a name twice. */
static int
take_variables(Loop *loop, Template *template, PyObject *base, const Request *request)
{
    memcpy(template->block, request->environ, request->environ_size);
    Reader reader = {template->block, template->block + request->environ_size, 0};
    Text name_text, value_text;
    Py_ssize_t size = PyDict_Size(base);
    template->count = 0;
    while (next_joined(&reader, &name_text) && next_joined(&reader, &value_text)) {
        Key *place = find(loop, &name_text);
        if (template->count == MAX_VARIABLES || place == NULL || place->name == NULL) {
            return 0;
        }
        template->variables[template->count++] = (Variable){place->name, name_text, value_text};
        size += PyDict_Contains(base, place->name) == 0;
    }
    return size == PyDict_Size(template->environ);
}

/* Keeps a copy of an environ as the template, if its block suits. */
static int
template_keep(Loop *loop, Template *template, PyObject *environ, PyObject *base, const Request *request)
{
    Py_CLEAR(template->environ);
    if (request->form != JOINED || request->environ_size > sizeof template->block) {
        return 0;
    }
    template->environ = PyDict_Copy(environ);
    if (template->environ == NULL) {
        return -1;
    }
    template->base = request->base;
    if (!take_variables(loop, template, base, request)) {
        Py_CLEAR(template->environ);
        return 0;
    }
    /* They stand in the copies already, so that setting them later is quick. */
    if (PyDict_SetItem(template->environ, loop->key_input, Py_None) < 0 ||
        PyDict_SetItem(template->environ, loop->key_hints, Py_None) < 0) {
        return -1;
    }
    return 0;
}

/* Changes environ, a copy of the template's, to what the block says; 0: its
 * names are not the template's. */
static int
change_variables(Loop *loop, const Template *template, const Request *request, PyObject *environ, int *is_head)
{
    Reader reader = {request->environ, request->environ + request->environ_size, 0};
    for (int i = 0; i < template->count; i++) {
        const Variable *variable = &template->variables[i];
        Text name, value;
        if (!next_joined(&reader, &name) || !same(&name, &variable->name_text) || !next_joined(&reader, &value)) {
            return 0;
        }
        if (variable->name == loop->key_method) {
            *is_head = is_head_method(&value);
        }
        if (!same(&value, &variable->value_text) &&
            set_variable(loop, environ, variable->name, &value, is_head) < 0) {
            return -1;
        }
    }
    return reader.last_was_last;
}

/* Returns an environ made from the template, which the caller owns, or NULL:
 * an exception is set, or the template does not suit. */
static PyObject *
from_template(Loop *loop, const Template *template, const Request *request, int *is_head)
{
    if (template->environ == NULL || request->form != JOINED || request->base != template->base) {
        return NULL;
    }
    PyObject *environ = PyDict_Copy(template->environ);
    if (environ == NULL) {
        return NULL;
    }
    if (change_variables(loop, template, request, environ, is_head) <= 0) {
        Py_DECREF(environ);
        return NULL;
    }
    return environ;
}

/* Sets wsgi.input to the body, in memory. */
static int
set_input(Loop *loop, const Request *request, PyObject *environ)
{
    PyObject *body = NULL, *input = NULL;
    if (request->body_size == 0) {
        input = PyObject_CallNoArgs(loop->bytes_io);
    } else if ((body = PyBytes_FromStringAndSize(request->body, (Py_ssize_t)request->body_size)) != NULL) {
        input = PyObject_CallFunctionObjArgs(loop->bytes_io, body, NULL);
    }
    int failed = input != NULL ? PyDict_SetItem(environ, loop->key_input, input) : -1;
    Py_XDECREF(body);
    Py_XDECREF(input);
    return failed;
}

/* Returns the variables of a request, from the template if it suits; the
 * caller owns them. Where clients of many kinds alternate, a template seldom
 * suits, and one is kept only now and then. */
static PyObject *
variables_of(Slot *slot, PyObject *base, const Request *request, int *is_head)
{
    enum { KEEP_EVERY = 16 };
    PyObject *environ = from_template(slot->loop, &slot->template, request, is_head);
    if (environ != NULL || PyErr_Occurred()) {
        return environ;
    }
    environ = from_base(slot->loop, base, request, is_head);
    if (environ != NULL && slot->template.misses++ % KEEP_EVERY == 0 &&
        template_keep(slot->loop, &slot->template, environ, base, request) < 0) {
        Py_CLEAR(environ);
    }
    return environ;
}

/* Returns the environ of a request; the caller owns it. Without a method
 * KeyError is set, as slot.py does. */
PyObject *
environ_new(Slot *slot, const Request *request, int *is_head)
{
    Loop *loop = slot->loop;
    PyObject *environ = variables_of(slot, LIST_ITEM(loop->bases, request->base), request, is_head);
    if (environ != NULL && (set_input(loop, request, environ) < 0 ||
                            PyDict_SetItem(environ, loop->key_hints, slot->kit.early_hints) < 0)) {
        Py_CLEAR(environ);
    }
    return environ;
}
