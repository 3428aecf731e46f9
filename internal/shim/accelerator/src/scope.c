/* Builds a scope from the block of a request packet: scope.py. What is no plain
 * request is left to that. */
#include "asgi.h"

enum { METHOD, VERSION, SCHEME, PATH, RAW_PATH, QUERY, ROOT, CLIENT, PORT, FIXED };

/* What is left of a block: strings with a NUL between each. */
typedef struct {
    const char *at, *end;
    int over;
} Strings;

static int
next_string(Strings *strings, Text *text)
{
    if (strings->over) {
        return 0;
    }
    const char *nul = memchr(strings->at, '\0', (size_t)(strings->end - strings->at));
    const char *end = nul != NULL ? nul : strings->end;
    *text = (Text){strings->at, end - strings->at};
    strings->over = nul == NULL;
    strings->at = end + 1;
    return 1;
}

static int
is_ascii(const Text *text)
{
    unsigned char all = 0;
    for (Py_ssize_t i = 0; i < text->size; i++) {
        all |= (unsigned char)text->at[i];
    }
    return all < 0x80;
}

static PyObject *
as_bytes(const Text *text)
{
    return PyBytes_FromStringAndSize(text->at, text->size);
}

static PyObject *
as_path(const Text *text)
{
    return PyUnicode_DecodeUTF8(text->at, text->size, "replace");
}

/* A string of ASCII; NULL without an exception: it is none. */
static PyObject *
as_ascii(const Text *text)
{
    return is_ascii(text) ? PyUnicode_DecodeLatin1(text->at, text->size, NULL) : NULL;
}

/* Returns what make returns for the text, or what it has returned for it last;
 * the caller owns it. The results cannot be changed by who gets them. */
static PyObject *
made(Latest *latest, const Text *text, PyObject *(*make)(const Text *))
{
    if (latest->value != NULL && latest->size == text->size && memcmp(latest->text, text->at, (size_t)text->size) == 0) {
        return Py_NewRef(latest->value);
    }
    PyObject *value = make(text);
    if (value != NULL && text->size <= (Py_ssize_t)sizeof latest->text) {
        Py_XDECREF(latest->value);
        latest->value = Py_NewRef(value);
        latest->size = text->size;
        memcpy(latest->text, text->at, (size_t)text->size);
    }
    return value;
}

/* Sets key to value, which it takes over; 0: value is NULL, or a failure. */
static int
set(PyObject *scope, PyObject *key, PyObject *value)
{
    int good = value != NULL && PyDict_SetItem(scope, key, value) == 0;
    Py_XDECREF(value);
    return good;
}

/* Returns the port's number; -1: it is none. */
static long
port_of(const Text *text)
{
    long port = 0;
    for (Py_ssize_t i = 0; i < text->size; i++) {
        if (text->at[i] < '0' || text->at[i] > '9' || i > 5) {
            return -1;
        }
        port = 10 * port + (text->at[i] - '0');
    }
    return text->size > 0 ? port : -1;
}

static PyObject *
client_of(Intake *intake, const Text *address, const Text *port)
{
    if (address->size == 0) {
        return Py_NewRef(Py_None);
    }
    long number = port_of(port);
    PyObject *host = number >= 0 ? made(&intake->client, address, as_ascii) : NULL;
    return host != NULL ? Py_BuildValue("(Nl)", host, number) : NULL;
}

static uint32_t
hash_of(const Text *name, const Text *value)
{
    uint64_t first = 0, last = 0;
    size_t n = (size_t)(name->size < 8 ? name->size : 8), m = (size_t)(value->size < 8 ? value->size : 8);
    memcpy(&first, name->at, n);
    memcpy(&last, value->at + value->size - (Py_ssize_t)m, m);
    uint64_t mixed = (first ^ last * 0x9e3779b97f4a7c15u ^ (uint64_t)(name->size << 8 ^ value->size)) * 0xff51afd7ed558ccdu;
    return (uint32_t)(mixed >> 40);
}

static int
equal(PyObject *bytes, const Text *text)
{
    return BYTES_SIZE(bytes) == text->size && memcmp(BYTES_DATA(bytes), text->at, (size_t)text->size) == 0;
}

/* Returns the field as a tuple of name and value, which the caller owns. Clients
 * send most fields again and again, so the tuples are kept. */
static PyObject *
pair_of(Intake *intake, const Text *name, const Text *value)
{
    enum { KEPT = 128 }; /* bytes of name and value */
    PyObject **place = &intake->pairs[hash_of(name, value) % PAIRS];
    if (*place != NULL && equal(TUPLE_ITEM(*place, 0), name) && equal(TUPLE_ITEM(*place, 1), value)) {
        return Py_NewRef(*place);
    }
    PyObject *pair = Py_BuildValue("(NN)", as_bytes(name), as_bytes(value));
    if (pair != NULL && name->size + value->size <= KEPT) {
        Py_XDECREF(*place);
        *place = Py_NewRef(pair);
    }
    return pair;
}

/* Returns the list of fields, which the caller owns; NULL without an exception:
 * they do not pair. */
static PyObject *
headers_of(Intake *intake, Strings *strings)
{
    PyObject *headers = PyList_New(0);
    Text name, value;
    while (headers != NULL && next_string(strings, &name)) {
        PyObject *pair = next_string(strings, &value) ? pair_of(intake, &name, &value) : NULL;
        if (pair == NULL || PyList_Append(headers, pair) < 0) {
            Py_CLEAR(headers);
        }
        Py_XDECREF(pair);
    }
    return headers;
}

/* Takes what the master tells of TLS out of the fields, of which it is the last, and sets
 * it as an extension; 0: a failure. */
static int
set_tls(Intake *intake, PyObject *headers, PyObject *extensions)
{
    static const char name[] = ":tls";
    Py_ssize_t last = LIST_SIZE(headers) - 1;
    PyObject *pair = last >= 0 ? LIST_ITEM(headers, last) : NULL;
    if (pair == NULL || !equal(TUPLE_ITEM(pair, 0), &(Text){name, sizeof name - 1})) {
        return 1;
    }
    PyObject *tls = PyObject_CallMethod((PyObject *)intake, "tls_of", "O", TUPLE_ITEM(pair, 1));
    int good = tls != NULL && PyDict_SetItemString(extensions, "tls", tls) == 0 &&
               PyList_SetSlice(headers, last, last + 1, NULL) == 0;
    Py_XDECREF(tls);
    return good;
}

/* Returns the extensions, which the caller owns. Their own dicts are empty and shared by requests
 * until an app notes something in one of them: no later request sees that. */
static PyObject *
extensions_of(Intake *intake)
{
    PyObject *name, *shared;
    Py_ssize_t at = 0;
    while (PyDict_Next(intake->extensions, &at, &name, &shared)) {
        if (PyDict_Size(shared) > 0 && !set(intake->extensions, name, PyDict_New())) {
            return NULL;
        }
    }
    return PyDict_Copy(intake->extensions);
}

static int
set_headers(Intake *intake, PyObject *scope, Strings *strings)
{
    PyObject *headers = headers_of(intake, strings), *extensions = extensions_of(intake);
    int good = headers != NULL && extensions != NULL && set_tls(intake, headers, extensions) &&
               PyDict_SetItem(scope, intake->key_headers, headers) == 0 &&
               PyDict_SetItem(scope, intake->key_extensions, extensions) == 0;
    Py_XDECREF(headers);
    Py_XDECREF(extensions);
    return good;
}

static int
is_plain(Intake *intake, const Request *request, Strings *strings, Text *fixed)
{
    for (int i = 0; i < FIXED; i++) {
        if (!next_string(strings, &fixed[i])) {
            return 0;
        }
    }
    return request->base < LIST_SIZE(intake->templates);
}

static int
fill(Intake *intake, Call *call, Strings *strings, const Text *fixed)
{
    PyObject *scope = call->scope;
    call->method = made(&intake->method, &fixed[METHOD], as_ascii);
    call->raw_path = made(&intake->raw_path, &fixed[RAW_PATH], as_bytes);
    call->is_head = fixed[METHOD].size == 4 && memcmp(fixed[METHOD].at, "HEAD", 4) == 0;
    return set(scope, intake->key_asgi, PyDict_Copy(PyDict_GetItemWithError(scope, intake->key_asgi))) &&
           set(scope, intake->key_version, made(&intake->version, &fixed[VERSION], as_ascii)) &&
           set(scope, intake->key_scheme, made(&intake->scheme, &fixed[SCHEME], as_ascii)) &&
           set(scope, intake->key_path, made(&intake->path, &fixed[PATH], as_path)) &&
           call->raw_path != NULL && PyDict_SetItem(scope, intake->key_raw_path, call->raw_path) == 0 &&
           set(scope, intake->key_query, made(&intake->query, &fixed[QUERY], as_bytes)) &&
           set(scope, intake->key_root, made(&intake->root, &fixed[ROOT], as_path)) &&
           set_headers(intake, scope, strings) &&
           set(scope, intake->key_client, client_of(intake, &fixed[CLIENT], &fixed[PORT])) &&
           call->method != NULL && PyDict_SetItem(scope, intake->key_method, call->method) == 0 &&
           set(scope, intake->key_state, PyDict_Copy(intake->shared_state));
}

/* Gives the call its scope, and notes what the log wants of it. 0: Python must
 * see to it; -1: an exception is set. */
int
scope_new(Intake *intake, const Request *request, Call *call)
{
    Text fixed[FIXED];
    Strings strings = {request->environ, request->environ + request->environ_size, 0};
    if (!is_plain(intake, request, &strings, fixed)) {
        return 0;
    }
    call->scope = PyDict_Copy(LIST_ITEM(intake->templates, request->base));
    if (call->scope == NULL) {
        return -1;
    }
    return fill(intake, call, &strings, fixed) ? 1 : PyErr_Occurred() ? -1 : 0;
}
