/* The module _girin: its types, and nothing else. */
#include "asgi.h"

static int
add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **type, const char *name)
{
    *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    if (*type == NULL) {
        return -1;
    }
    return PyModule_AddObjectRef(module, name, (PyObject *)*type);
}

static int
add_names(State *state)
{
    state->key_type = PyUnicode_InternFromString("type");
    state->key_text = PyUnicode_InternFromString("text");
    state->key_bytes = PyUnicode_InternFromString("bytes");
    state->type_receive = PyUnicode_InternFromString("websocket.receive");
    state->type_send = PyUnicode_InternFromString("websocket.send");
    state->name_set_result = PyUnicode_InternFromString("set_result");
    return PyErr_Occurred() ? -1 : 0;
}

static int
module_exec(PyObject *module)
{
    State *state = PyModule_GetState(module);
    if (add_names(state) < 0 || add_type(module, &batch_spec, &state->batch, "Batch") < 0 ||
        add_type(module, &exchange_spec, &state->exchange, "Exchange") < 0 ||
        add_type(module, &loop_spec, &state->loop, "Loop") < 0 ||
        add_type(module, &slot_spec, &state->slot, "Slot") < 0 ||
        add_type(module, &outbox_spec, &state->outbox, "Outbox") < 0 ||
        add_type(module, &intake_spec, &state->intake, "Intake") < 0 ||
        add_type(module, &call_spec, &state->call, "Call") < 0 ||
        add_type(module, &done_spec, &state->done, "Done") < 0 ||
        add_type(module, &streaming_spec, &state->streaming, "Streaming") < 0 ||
        add_type(module, &watched_spec, &state->watched, "Watched") < 0 ||
        add_type(module, &socket_spec, &state->socket, "Socket") < 0 ||
        add_type(module, &receiving_spec, &state->receiving, "Receiving") < 0 ||
        add_type(module, &inbound_spec, &state->inbound, "Inbound") < 0) {
        return -1;
    }
    return 0;
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
    Py_VISIT(state->batch);
    Py_VISIT(state->exchange);
    Py_VISIT(state->loop);
    Py_VISIT(state->slot);
    Py_VISIT(state->outbox);
    Py_VISIT(state->intake);
    Py_VISIT(state->call);
    Py_VISIT(state->done);
    Py_VISIT(state->streaming);
    Py_VISIT(state->watched);
    Py_VISIT(state->socket);
    Py_VISIT(state->receiving);
    Py_VISIT(state->inbound);
    Py_VISIT(state->key_type);
    Py_VISIT(state->key_text);
    Py_VISIT(state->key_bytes);
    Py_VISIT(state->type_receive);
    Py_VISIT(state->type_send);
    Py_VISIT(state->name_set_result);
    return 0;
}

static int
module_clear(PyObject *module)
{
    State *state = PyModule_GetState(module);
    Py_CLEAR(state->batch);
    Py_CLEAR(state->exchange);
    Py_CLEAR(state->loop);
    Py_CLEAR(state->slot);
    Py_CLEAR(state->outbox);
    Py_CLEAR(state->intake);
    Py_CLEAR(state->call);
    Py_CLEAR(state->done);
    Py_CLEAR(state->streaming);
    Py_CLEAR(state->watched);
    Py_CLEAR(state->socket);
    Py_CLEAR(state->receiving);
    Py_CLEAR(state->inbound);
    Py_CLEAR(state->key_type);
    Py_CLEAR(state->key_text);
    Py_CLEAR(state->key_bytes);
    Py_CLEAR(state->type_receive);
    Py_CLEAR(state->type_send);
    Py_CLEAR(state->name_set_result);
    return 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static struct PyModuleDef module_def = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_girin",
    .m_doc = "The inner loop of the shim; see girin.h.",
    .m_size = sizeof(State),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
};

PyMODINIT_FUNC
PyInit__girin(void)
{
    return PyModuleDef_Init(&module_def);
}
