/* Reads packets and runs the first step of each: intake.py. */
#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "asgi.h"

enum { READ_AT_ONCE = 64, READ_FOR = 1000000, TURNS = 16 }; /* as in intake.py */

static int
call_python(PyObject *object, const char *method)
{
    PyObject *done = PyObject_CallMethod(object, method, NULL);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

/* Reads a packet into intake->packet. 0: there is none now; -1: Python must
 * find out why, or an exception is set. */
static Py_ssize_t
read_packet(Intake *intake)
{
    PyObject *active = PyObject_GetAttr(intake->lanes, intake->name_active);
    Py_ssize_t size = active != NULL && PyTuple_Size(active) > 0 ? 0 : -1;
    for (Py_ssize_t i = 0; size == 0 && i < TUPLE_SIZE(active); i++) {
        int lane = (int)PyLong_AsLong(TUPLE_ITEM(active, i));
        ssize_t n = read(lane, intake->packet, MAX_PACKET); /* never waits: O_NONBLOCK */
        size = n > 0 ? n : n < 0 && errno == EAGAIN ? 0 : -1;
    }
    Py_XDECREF(active);
    return size;
}

/* Takes the last of the free places. */
static int
take_place(Intake *intake, Call *call)
{
    Py_ssize_t last = LIST_SIZE(intake->free) - 1;
    PyObject *place = PyList_GetItem(intake->free, last);
    call->slot = place != NULL ? (int)PyLong_AsLong(place) : -1;
    if (call->slot < 0 || call->slot >= intake->slots || PyList_SetSlice(intake->free, last, last + 1, NULL) < 0) {
        return -1;
    }
    uint64_t *cells = intake->cells + 2 * call->slot;
    __atomic_store_n(&cells[1], call->began, __ATOMIC_RELAXED); /* the time first, as the page's reader expects */
    __atomic_store_n(&cells[0], call->id, __ATOMIC_RELEASE);
    return 0;
}

static int
start(Intake *intake, Call *call)
{
    PyObject *id = PyLong_FromUnsignedLongLong(call->id);
    int failed = id == NULL || take_place(intake, call) < 0 ||
                 PyDict_SetItem(intake->exchanges, id, (PyObject *)call) < 0;
    Py_XDECREF(id);
    if (failed) {
        return -1;
    }
    PyObject *done = PyObject_CallFunctionObjArgs(intake->start, (PyObject *)call, NULL);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

/* Begins a request here; 0: Python must see to it. */
static int
begin(Intake *intake, const Request *request)
{
    Call *call = call_new(intake);
    if (call == NULL) {
        return -1;
    }
    call->id = request->id;
    call->began = clock_ns(CLOCK_MONOTONIC);
    call->window = request->window;
    int status = 1;
    if (request->body_size > 0) {
        call->body = PyBytes_FromStringAndSize(request->body, (Py_ssize_t)request->body_size);
        status = call->body != NULL ? 1 : -1;
    }
    if (status > 0) {
        status = scope_new(intake, request, call);
    }
    if (status > 0) {
        status = start(intake, call) < 0 ? -1 : 1;
    }
    Py_DECREF((PyObject *)call);
    return status;
}

/* Finds block and body, in the packet or the arena; 0: Python must see to it. */
static int
locate(const Intake *intake, size_t size, Request *request)
{
    const char *data = (const char *)intake->packet + REQUEST_HEAD;
    uint64_t length = (uint64_t)request->environ_size + request->body_size;
    if (request->flags & IN_ARENA) {
        uint64_t at = get_u64(intake->packet + 24), whole = (uint64_t)intake->arena.len;
        if (at > whole || length > whole - at) {
            return 0;
        }
        data = (const char *)intake->arena.buf + at;
    } else if (length != size - REQUEST_HEAD) {
        return 0;
    }
    request->environ = data;
    request->body = data + request->environ_size;
    return 1;
}

static int
is_plain(const Intake *intake, const Request *request)
{
    const volatile unsigned char *flags = intake->arena.buf; /* the flag table is its start */
    return request->form == ASGI_JOINED && !(request->flags & (SPOOLED | STREAMED | UPGRADE)) &&
           flags[request->id & FLAG_MASK] == 0;
}

/* Runs the first step of the packet of so many bytes. */
static int
serve_packet(Intake *intake, size_t size)
{
    const unsigned char *packet = intake->packet;
    if (size >= REQUEST_HEAD) {
        Request request = {
            .form = packet[0],
            .flags = packet[1],
            .base = packet[2],
            .window = get_u32(packet + 4),
            .id = get_u64(packet + 8),
            .environ_size = get_u32(packet + 16),
            .body_size = get_u32(packet + 20),
        };
        int status = is_plain(intake, &request) && locate(intake, size, &request) ? begin(intake, &request) : 0;
        if (status != 0) {
            return status;
        }
    }
    PyObject *done = PyObject_CallMethod((PyObject *)intake, "begin_packet", "y#", (const char *)packet, (Py_ssize_t)size);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

/* Reads a packet and runs its first step; 0: enough for this turn. */
static int
take(Intake *intake)
{
    if (LIST_SIZE(intake->forked) > 0) {
        return call_python(intake->worker, "leave_child");
    }
    if (LIST_SIZE(intake->free) == 0) {
        return 0;
    }
    Py_ssize_t size = read_packet(intake);
    if (size <= 0) {
        return size == 0 ? 0 : PyErr_Occurred() ? -1 : call_python((PyObject *)intake, "take_in_python");
    }
    if (intake->counts && call_python(intake->worker, "count") < 0) {
        return -1;
    }
    int quick = size >= REQUEST_HEAD && intake->packet[1] & QUICK;
    if (!quick) {
        outbox_send(intake->outbox); /* what is finished does not wait for it */
        intake->turns = TURNS;
    }
    return serve_packet(intake, (size_t)size) < 0 ? -1 : quick;
}

static PyObject *
intake_read(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Intake *intake = (Intake *)self;
    if (intake->app == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this intake was not bound");
        return NULL;
    }
    uint64_t ends = clock_ns(CLOCK_MONOTONIC) + READ_FOR;
    intake->outbox->due = 1;
    intake->turns++;
    int status = 1;
    for (int i = 0; status > 0 && i < READ_AT_ONCE; i++) {
        status = take(intake);
        if (status > 0 && clock_ns(CLOCK_MONOTONIC) > ends) {
            break;
        }
    }
    if (status >= 0 && intake->takes_turns && intake->turns >= TURNS) {
        intake->turns = 0;
        status = call_python((PyObject *)intake, "go_last");
    }
    if (status >= 0 && LIST_SIZE(intake->free) == 0) { /* what waits in the lanes would wake this loop again and again */
        status = call_python((PyObject *)intake, "room");
    }
    if (status < 0) {
        PyObject *error = PyErr_GetRaisedException();
        PyObject *never = PyObject_CallMethod(intake->worker, "fatal", "O", error);
        Py_XDECREF(never);
        Py_XDECREF(error);
        return NULL;
    }
    intake->outbox->due = 0;
    outbox_send(intake->outbox);
    Py_RETURN_NONE;
}

/* The binding. */

static int
intern_names(Intake *intake)
{
    const struct {
        PyObject **name;
        const char *text;
    } names[] = {
        {&intake->key_version, "http_version"},
        {&intake->key_scheme, "scheme"},
        {&intake->key_path, "path"},
        {&intake->key_raw_path, "raw_path"},
        {&intake->key_query, "query_string"},
        {&intake->key_root, "root_path"},
        {&intake->key_headers, "headers"},
        {&intake->key_client, "client"},
        {&intake->key_extensions, "extensions"},
        {&intake->key_method, "method"},
        {&intake->key_state, "state"},
        {&intake->key_type, "type"},
        {&intake->key_status, "status"},
        {&intake->key_body, "body"},
        {&intake->key_more, "more_body"},
        {&intake->type_start, "http.response.start"},
        {&intake->type_body, "http.response.body"},
        {&intake->type_request, "http.request"},
        {&intake->name_active, "active"},
        {&intake->name_stopped, "stopped"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (*names[i].name == NULL && (*names[i].name = PyUnicode_InternFromString(names[i].text)) == NULL) {
            return -1;
        }
    }
    return 0;
}

/* bind(outbox, worker, lanes, forked, page, arena, counts, takes turns, free, exchanges, start, statuses, coroutine type) */
static PyObject *
intake_bind(PyObject *self, PyObject *args)
{
    Intake *intake = (Intake *)self;
    PyObject *outbox, *worker, *lanes, *forked, *page, *arena, *free_places, *exchanges, *start_task, *statuses, *coroutine;
    int counts, takes_turns;
    if (!PyArg_ParseTuple(args, "OOOO!OOiiO!O!OO!O", &outbox, &worker, &lanes, &PyList_Type, &forked, &page,
                          &arena, &counts, &takes_turns, &PyList_Type, &free_places, &PyDict_Type, &exchanges, &start_task,
                          &PyDict_Type, &statuses, &coroutine)) {
        return NULL;
    }
    State *state = PyType_GetModuleState(Py_TYPE(outbox));
    if (state == NULL || Py_TYPE(outbox) != state->outbox || intake->outbox != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this intake cannot be bound so");
        return NULL;
    }
    if (intern_names(intake) < 0 || PyObject_GetBuffer(page, &intake->page, PyBUF_WRITABLE) < 0 ||
        PyObject_GetBuffer(arena, &intake->arena, PyBUF_SIMPLE) < 0 || (intake->none = done_new(state, NULL, NULL)) == NULL) {
        return NULL;
    }
    Py_ssize_t cells = intake->page.len / (Py_ssize_t)sizeof(uint64_t) - PAGE_FIRST_SLOT;
    if (cells < 0 || intake->arena.len <= FLAG_MASK) {
        PyErr_SetString(PyExc_ValueError, "the state page or the arena is too small");
        return NULL;
    }
    intake->slots = cells / 2;
    intake->cells = (uint64_t *)intake->page.buf + PAGE_FIRST_SLOT;
    intake->state = state;
    intake->counts = counts;
    intake->takes_turns = takes_turns;
    intake->worker = Py_NewRef(worker);
    intake->lanes = Py_NewRef(lanes);
    intake->forked = Py_NewRef(forked);
    intake->free = Py_NewRef(free_places);
    intake->exchanges = Py_NewRef(exchanges);
    intake->start = Py_NewRef(start_task);
    intake->statuses = Py_NewRef(statuses);
    intake->coroutine_type = Py_NewRef(coroutine);
    intake->outbox = (Outbox *)Py_NewRef(outbox);
    Py_RETURN_NONE;
}

/* bind_app(app, templates, state, extensions): what is read from now on is for this app. */
static PyObject *
intake_bind_app(PyObject *self, PyObject *args)
{
    Intake *intake = (Intake *)self;
    PyObject *app, *templates, *shared_state, *extensions;
    if (!PyArg_ParseTuple(args, "OO!O!O!", &app, &PyList_Type, &templates, &PyDict_Type, &shared_state, &PyDict_Type,
                          &extensions)) {
        return NULL;
    }
    if (intake->outbox == NULL || intake->app != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this intake cannot be bound to an app");
        return NULL;
    }
    intake->templates = Py_NewRef(templates);
    intake->shared_state = Py_NewRef(shared_state);
    intake->extensions = Py_NewRef(extensions);
    intake->app = Py_NewRef(app);
    Py_RETURN_NONE;
}

static PyObject *
intake_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(keywords))
{
    return PyType_GenericAlloc(type, 0); /* all zero */
}

static void
intake_dealloc(PyObject *self)
{
    Intake *intake = (Intake *)self;
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free); /* a subclass's may be another */
    PyObject *owned[] = {
        (PyObject *)intake->outbox, intake->worker,       intake->lanes,       intake->forked,       intake->free,
        intake->exchanges,          intake->start,        intake->app,         intake->statuses,     intake->coroutine_type,
        intake->templates,          intake->shared_state, intake->extensions,  intake->none,         intake->key_version,
        intake->key_scheme,         intake->key_path,     intake->key_raw_path, intake->key_query,   intake->key_root,
        intake->key_headers,        intake->key_client,   intake->key_extensions, intake->key_method, intake->key_state,
        intake->key_type,           intake->key_status,   intake->key_body,    intake->key_more,     intake->type_start,
        intake->type_body,          intake->type_request, intake->name_active, intake->name_stopped, intake->version.value,
        intake->scheme.value,       intake->path.value,   intake->raw_path.value, intake->query.value, intake->root.value,
        intake->client.value,       intake->method.value,
    };
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        Py_XDECREF(owned[i]);
    }
    for (size_t i = 0; i < PAIRS; i++) {
        Py_XDECREF(intake->pairs[i]);
    }
    PyBuffer_Release(&intake->page);
    PyBuffer_Release(&intake->arena);
    release(self);
    Py_DECREF(type);
}

static PyMethodDef intake_methods[] = {
    {"read", intake_read, METH_NOARGS, "Something can be read."},
    {"bind", intake_bind, METH_VARARGS, "Gives the intake what it works with."},
    {"bind_app", intake_bind_app, METH_VARARGS, "What is read from now on is for this app."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot intake_slots[] = {
    {Py_tp_doc, "Reads packets from the lanes and runs each as a task."},
    {Py_tp_new, intake_new},
    {Py_tp_dealloc, intake_dealloc},
    {Py_tp_methods, intake_methods},
    {0, NULL},
};

PyType_Spec intake_spec = {
    .name = "_girin.Intake",
    .basicsize = sizeof(Intake),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = intake_slots,
};
