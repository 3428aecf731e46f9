/* An intake as an object: what it works with, and its end. What it does is in packets.c. */
#include "asgi.h"

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
        {&intake->key_asgi, "asgi"},
        {&intake->key_status, "status"},
        {&intake->key_body, "body"},
        {&intake->key_more, "more_body"},
        {&intake->type_start, "http.response.start"},
        {&intake->type_body, "http.response.body"},
        {&intake->type_request, "http.request"},
        {&intake->name_active, "active"},
        {&intake->name_stopped, "stopped"},
        {&intake->name_held, "held"},
        {&intake->key_trailers, "trailers"},
        {&intake->name_stepping, "stepping"},
        {&intake->name_usage, "usage"},
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
    intake->step = (uint64_t *)intake->page.buf + PAGE_STEP;
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

/* bind_app(app, templates, state, extensions, set_thread_time): what is read from now on is for this app. */
static PyObject *
intake_bind_app(PyObject *self, PyObject *args)
{
    Intake *intake = (Intake *)self;
    PyObject *app, *templates, *shared_state, *extensions, *set_thread_time;
    if (!PyArg_ParseTuple(args, "OO!O!O!O", &app, &PyList_Type, &templates, &PyDict_Type, &shared_state, &PyDict_Type,
                          &extensions, &set_thread_time)) {
        return NULL;
    }
    if (intake->outbox == NULL || intake->app != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this intake cannot be bound to an app");
        return NULL;
    }
    intake->templates = Py_NewRef(templates);
    intake->shared_state = Py_NewRef(shared_state);
    intake->extensions = Py_NewRef(extensions);
    intake->set_thread_time = Py_NewRef(set_thread_time);
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
        intake->client.value,       intake->method.value, intake->name_held,   intake->name_stepping, intake->set_thread_time,
        intake->key_trailers,       intake->name_usage,   intake->key_asgi,
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
    {"take_packet", intake_take_packet, METH_O, "Begins the request of a packet that came another way."},
    {"watch", intake_watch, METH_O, "What a task may run in place of a coroutine, for its steps to be seen."},
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
