/* Builds an environ from the block of a request packet. Names come from a
 * table, so that each is one interned string with its hash known; values are
 * decoded straight from the packet or the arena. */
#include <stdlib.h>

#include "girin.h"

/* A name seen before; text lies in name. An empty place has name NULL. */
struct Key {
    PyObject *name; /* owned */
    const char *text;
    Py_ssize_t size;
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

/* Puts a new name into a free place; it need not succeed. Borrows name. */
static void
remember(Loop *loop, Key *place, PyObject *name)
{
    Py_ssize_t size;
    const char *text = ascii_text(name, &size);
    if (text != NULL && loop->key_count < MAX_KEYS) {
        *place = (Key){Py_NewRef(name), text, size};
        loop->key_count++;
    }
}

/* Returns the name, which the caller owns. */
static PyObject *
key(Loop *loop, const char *text, Py_ssize_t size)
{
    uint32_t at = hash(text, size);
    Key *free_place = NULL;
    for (uint32_t i = 0; i < PROBES; i++) {
        Key *place = &loop->keys[(at + i) % PLACES];
        if (place->name == NULL) {
            free_place = place;
            break;
        }
        if (place->size == size && memcmp(place->text, text, (size_t)size) == 0) {
            return Py_NewRef(place->name);
        }
    }
    PyObject *name = PyUnicode_DecodeLatin1(text, size, NULL);
    if (name != NULL && free_place != NULL) {
        PyUnicode_InternInPlace(&name);
        remember(loop, free_place, name);
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
        PyObject *name = key(loop, well_known[i], (Py_ssize_t)strlen(well_known[i]));
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

/* A string of the block. */
typedef struct {
    const char *text;
    Py_ssize_t size;
} Text;

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
    reader->at = text->text + text->size;
    return 1;
}

static int
next(Loop *loop, const Request *request, Reader *reader, Text *text)
{
    return request->form == JOINED ? next_joined(reader, text) : next_with_length(loop, reader, text);
}

/* Sets a variable, and is_head if it is the method and HEAD. */
static int
set_variable(Loop *loop, PyObject *environ, const Text *name, const Text *value, int *is_head)
{
    PyObject *name_object = key(loop, name->text, name->size);
    PyObject *value_object = PyUnicode_DecodeLatin1(value->text, value->size, NULL);
    int failed = -1;
    if (name_object != NULL && value_object != NULL) {
        failed = PyDict_SetItem(environ, name_object, value_object);
    }
    if (name_object == loop->key_method) {
        *is_head = value->size == 4 && memcmp(value->text, "HEAD", 4) == 0;
    }
    Py_XDECREF(name_object);
    Py_XDECREF(value_object);
    return failed;
}

static int
set_variables(Loop *loop, const Request *request, PyObject *environ, int *is_head)
{
    Reader reader = {request->environ, request->environ + request->environ_size, 0};
    Text name, value;
    int found;
    while ((found = next(loop, request, &reader, &name)) > 0) {
        found = next(loop, request, &reader, &value);
        if (found == 0) {
            return does_not_pair(loop);
        }
        if (found < 0 || set_variable(loop, environ, &name, &value, is_head) < 0) {
            return -1;
        }
    }
    return found;
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

static int
check_method(Loop *loop, PyObject *environ)
{
    PyObject *method = PyDict_GetItemWithError(environ, loop->key_method);
    if (method == NULL && !PyErr_Occurred()) {
        PyErr_SetObject(PyExc_KeyError, loop->key_method);
    }
    return method != NULL ? 0 : -1;
}

/* Returns the environ of a request but for wsgi.early_hints; the caller owns
 * it. Without a method KeyError is set, as slot.py does. */
PyObject *
environ_new(Loop *loop, const Request *request, int *is_head)
{
    if (request->base >= LIST_SIZE(loop->bases)) {
        PyErr_SetString(PyExc_IndexError, "list index out of range");
        return NULL;
    }
    PyObject *environ = PyDict_Copy(LIST_ITEM(loop->bases, request->base));
    if (environ == NULL) {
        return NULL;
    }
    if (set_variables(loop, request, environ, is_head) < 0 || set_input(loop, request, environ) < 0 ||
        check_method(loop, environ) < 0) {
        Py_DECREF(environ);
        return NULL;
    }
    return environ;
}
