/* Variables of the environ that the access log shows as the app leaves them: those that
 * it has changed go with the head of the answer (noting.py). */
#include "girin.h"

/* Returns a variable, which the caller owns; NULL: it is not there, or an exception is set. */
static PyObject *
variable(const Slot *slot, Py_ssize_t i, PyObject *environ)
{
    PyObject *value = PyDict_GetItemWithError(environ, LIST_ITEM(slot->loop->watched, i));
    Py_XINCREF(value);
    return value;
}

/* Keeps what they are before the app is called: an environ that is new. */
void
watch(Slot *slot, PyObject *environ)
{
    for (Py_ssize_t i = 0; i < LIST_SIZE(slot->loop->watched); i++) {
        slot->watched[i] = variable(slot, i, environ);
    }
}

void
unwatch(Slot *slot)
{
    for (Py_ssize_t i = 0; i < LIST_SIZE(slot->loop->watched); i++) {
        Py_CLEAR(slot->watched[i]);
    }
}

/* Returns what they were as Exchange.watched, which the caller owns. */
PyObject *
watched_before(Slot *slot)
{
    Py_ssize_t count = LIST_SIZE(slot->loop->watched);
    if (count == 0) {
        return Py_NewRef(Py_None);
    }
    PyObject *before = PyTuple_New(count);
    for (Py_ssize_t i = 0; before != NULL && i < count; i++) {
        PyObject *value = slot->watched[i];
        PyTuple_SetItem(before, i, Py_NewRef(value != NULL ? value : Py_None)); /* cannot fail: it is new */
    }
    return before;
}

static int
is_same(PyObject *before, PyObject *now)
{
    return now == before || (now != NULL && before != NULL && PyUnicode_CheckExact(now) &&
                             PyUnicode_Compare(now, before) == 0);
}

/* Notes in the head, which is about to leave, what the app has changed. 0: Python must see
 * to it. Only where a key of the app's own is in the environ may this run code of its. */
int
note_changes(Slot *slot)
{
    int done = 1;
    for (Py_ssize_t i = 0; done && i < LIST_SIZE(slot->loop->watched); i++) {
        Exchange *exchange = slot->kit.exchange;
        PyObject *now = variable(slot, i, slot->environ);
        if (PyErr_Occurred()) {
            PyErr_Clear();
            done = 0;
        } else if (!is_same(slot->watched[i], now)) {
            done = exchange->full == NULL && exchange->head.given &&
                   head_note(&exchange->head, LIST_ITEM(slot->loop->notes, i), now);
        }
        Py_XDECREF(now);
    }
    return done;
}
