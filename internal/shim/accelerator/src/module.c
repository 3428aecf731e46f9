/* The module _girin: its types, and nothing else. */
#include "girin.h"

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
module_exec(PyObject *module)
{
    State *state = PyModule_GetState(module);
    if (add_type(module, &batch_spec, &state->batch, "Batch") < 0 ||
        add_type(module, &exchange_spec, &state->exchange, "Exchange") < 0 ||
        add_type(module, &loop_spec, &state->loop, "Loop") < 0 ||
        add_type(module, &slot_spec, &state->slot, "Slot") < 0) {
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
