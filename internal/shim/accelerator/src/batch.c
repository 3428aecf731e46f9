/* The batch: finished frames, one after another in one piece of memory. Only
 * its slot's thread adds to it; whoever sends takes all of it (send.c). */
#include <stdlib.h>

#include "girin.h"

enum { FIRST_CAPACITY = 16 << 10, KEPT_CAPACITY = 256 << 10 };

/* Returns a new batch. */
Batch *
batch_new(State *state)
{
    Batch *batch = PyObject_New(Batch, state->batch);
    if (batch != NULL) {
        batch->data = NULL;
        batch->size = batch->capacity = batch->placed = batch->last = 0;
        batch->frames = 0;
    }
    return batch;
}

/* Makes room for so many more bytes. */
static int
batch_reserve(Batch *batch, size_t more)
{
    size_t needed = batch->size + more;
    if (needed <= batch->capacity) {
        return 0;
    }
    size_t capacity = batch->capacity > 0 ? batch->capacity : FIRST_CAPACITY;
    while (capacity < needed) {
        capacity *= 2;
    }
    char *data = realloc(batch->data, capacity);
    if (data == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    batch->data = data;
    batch->capacity = capacity;
    return 0;
}

static void
append(Batch *batch, const void *data, size_t size)
{
    memcpy(batch->data + batch->size, data, size);
    batch->size += size;
}

/* Copies a frame's head and the head block, and makes room for what follows. */
static int
begin_frame(Batch *batch, const unsigned char *frame, const Head *head, size_t more)
{
    size_t head_size = head != NULL ? head->size : 0;
    if (batch_reserve(batch, RESPONSE_HEAD + head_size + more) < 0) {
        return -1;
    }
    batch->last = batch->size;
    append(batch, frame, RESPONSE_HEAD);
    if (head != NULL) {
        append(batch, head->data, head->size);
    }
    return 0;
}

/* Copies a frame into the batch: its head of RESPONSE_HEAD bytes, the head
 * block unless head is NULL, and the blocks (bytes objects), whose sizes make
 * up body. The GIL is held throughout, so nobody sends half a frame. */
int
batch_add(Batch *batch, const unsigned char *frame, const Head *head, PyObject *const *blocks, Py_ssize_t count,
          size_t body)
{
    if (begin_frame(batch, frame, head, body) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        append(batch, BYTES_DATA(blocks[i]), (size_t)BYTES_SIZE(blocks[i]));
    }
    batch->frames++;
    return 0;
}

/* The same with a body that is one piece. */
int
batch_add_bytes(Batch *batch, const unsigned char *frame, const Head *head, const char *body, size_t size)
{
    if (begin_frame(batch, frame, head, size) < 0) {
        return -1;
    }
    append(batch, body, size);
    batch->frames++;
    return 0;
}

/* Copies a frame into the batch whose body of so many bytes lies in the state
 * page, from a unit on. */
int
batch_add_placed(Batch *batch, const unsigned char *frame, const Head *head, uint32_t place, size_t body)
{
    unsigned char unit[FRAME_PLACE];
    put_u32(unit, place);
    if (begin_frame(batch, frame, head, sizeof unit) < 0) {
        return -1;
    }
    append(batch, unit, sizeof unit);
    batch->frames++;
    batch->placed += body;
    return 0;
}

/* Hands over all that the batch holds; the caller owns *data, which may be
 * NULL. The batch is empty afterwards. */
void
batch_take(Batch *batch, char **data, size_t *size, size_t *capacity)
{
    *data = batch->data;
    *size = batch->size;
    *capacity = batch->capacity;
    batch->data = NULL;
    batch->size = batch->capacity = batch->placed = 0;
    batch->frames = 0;
}

/* Takes memory that batch_take gave away, to be used again. */
void
batch_give_back(Batch *batch, char *data, size_t capacity)
{
    if (batch->data == NULL && capacity <= KEPT_CAPACITY) {
        batch->data = data;
        batch->capacity = capacity;
    } else {
        free(data);
    }
}

static int
append_piece(Batch *batch, PyObject *piece)
{
    Py_buffer view;
    if (PyObject_GetBuffer(piece, &view, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    int failed = batch_reserve(batch, (size_t)view.len);
    if (!failed) {
        append(batch, view.buf, (size_t)view.len);
    }
    PyBuffer_Release(&view);
    return failed;
}

/* batch += (frame head, head block, body): what the Python exchange does to
 * the list that this object stands in for. */
static PyObject *
batch_inplace_concat(PyObject *self, PyObject *pieces)
{
    Batch *batch = (Batch *)self;
    if (!PyTuple_Check(pieces)) {
        return PyErr_Format(PyExc_TypeError, "a frame's pieces must be a tuple");
    }
    size_t before = batch->size;
    for (Py_ssize_t i = 0; i < TUPLE_SIZE(pieces); i++) {
        if (append_piece(batch, TUPLE_ITEM(pieces, i)) < 0) {
            batch->size = before; /* half a frame must never be sent */
            return NULL;
        }
    }
    batch->last = before;
    batch->frames++;
    return Py_NewRef(self);
}

static Py_ssize_t
batch_length(PyObject *self)
{
    return ((Batch *)self)->frames;
}

static void
batch_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    free(((Batch *)self)->data);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyType_Slot batch_slots[] = {
    {Py_tp_doc, "The finished frames of a slot. += adds one, as a tuple of pieces."},
    {Py_tp_dealloc, batch_dealloc},
    {Py_sq_length, batch_length},
    {Py_sq_inplace_concat, batch_inplace_concat},
    {0, NULL},
};

PyType_Spec batch_spec = {
    .name = "_girin.Batch",
    .basicsize = sizeof(Batch),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = batch_slots,
};
