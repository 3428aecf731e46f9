/* What differs between the C APIs of CPython 3.9 to 3.14 and the stable ABI at
 * level 3.12. The code elsewhere uses one name for each thing. */
#ifndef GIRIN_COMPAT_H
#define GIRIN_COMPAT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#ifdef Py_LIMITED_API
#define BYTES_DATA(bytes) PyBytes_AsString(bytes)
#define BYTES_SIZE(bytes) PyBytes_Size(bytes)
#define TUPLE_ITEM(tuple, i) PyTuple_GetItem(tuple, i)
#define TUPLE_SIZE(tuple) PyTuple_Size(tuple)
#define LIST_ITEM(list, i) PyList_GetItem(list, i)
#define LIST_SIZE(list) PyList_Size(list)
#else
#define BYTES_DATA(bytes) PyBytes_AS_STRING(bytes)
#define BYTES_SIZE(bytes) PyBytes_GET_SIZE(bytes)
#define TUPLE_ITEM(tuple, i) PyTuple_GET_ITEM(tuple, i)
#define TUPLE_SIZE(tuple) PyTuple_GET_SIZE(tuple)
#define LIST_ITEM(list, i) PyList_GET_ITEM(list, i)
#define LIST_SIZE(list) PyList_GET_SIZE(list)
#endif

#if PY_VERSION_HEX < 0x030a0000
static inline PyObject *
Py_NewRef(PyObject *object)
{
    Py_INCREF(object);
    return object;
}
#endif

#if PY_VERSION_HEX < 0x030a0000
/* Borrows value, unlike PyModule_AddObject. */
static inline int
PyModule_AddObjectRef(PyObject *module, const char *name, PyObject *value)
{
    Py_INCREF(value);
    int failed = PyModule_AddObject(module, name, value);
    if (failed) {
        Py_DECREF(value);
    }
    return failed;
}
#endif

#if PY_VERSION_HEX < 0x030a0000
typedef enum { PYGEN_RETURN = 0, PYGEN_ERROR = -1, PYGEN_NEXT = 1 } PySendResult;

static inline PySendResult
PyIter_Send(PyObject *coroutine, PyObject *value, PyObject **result)
{
    *result = PyObject_CallMethod(coroutine, "send", "O", value);
    if (*result != NULL) {
        return PYGEN_NEXT;
    }
    return _PyGen_FetchStopIterationValue(result) == 0 ? PYGEN_RETURN : PYGEN_ERROR;
}
#endif

#if PY_VERSION_HEX < 0x030c0000
/* Returns the exception being raised, which is then no longer raised. The
 * caller owns it. */
static inline PyObject *
PyErr_GetRaisedException(void)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL) {
        PyException_SetTraceback(value, traceback);
    }
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
}
#endif

/* Returns the bytes of an ASCII string and their number; NULL, without an
 * exception, for any other object. They live as long as the string. */
static inline const char *
ascii_text(PyObject *object, Py_ssize_t *size)
{
    if (!PyUnicode_CheckExact(object)) {
        return NULL;
    }
#ifdef Py_LIMITED_API
    const char *text = PyUnicode_AsUTF8AndSize(object, size);
    if (text == NULL) {
        PyErr_Clear(); /* a lone surrogate */
        return NULL;
    }
    return *size == PyUnicode_GetLength(object) ? text : NULL;
#else
    if (!PyUnicode_IS_COMPACT_ASCII(object)) {
        return NULL;
    }
    *size = PyUnicode_GET_LENGTH(object);
    return (const char *)PyUnicode_DATA(object);
#endif
}

#endif
