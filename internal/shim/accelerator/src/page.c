/* Bodies in the state page: from there the master writes them to the client,
 * without the two copies through the response socket. */
#include "girin.h"

/* Finds the units of a state page, if it has any. */
int
page_find(Units *units, const Py_buffer *page)
{
    enum { KERNEL_PAGE = 4096 };
    uint64_t *cells = page->buf;
    uint64_t size = (uint64_t)page->len;
    if (size < PAGE_FIRST_SLOT * sizeof *cells) {
        PyErr_SetString(PyExc_ValueError, "the state page is too small");
        return -1;
    }
    uint64_t slots = cells[1], count = cells[2];
    uint64_t states = PAGE_FIRST_SLOT + 2 * slots;
    uint64_t at = (8 * (states + count) + KERNEL_PAGE - 1) / KERNEL_PAGE * KERNEL_PAGE;
    if (slots > size || count > size || (count > 0 && at + count * PAGE_UNIT > size)) {
        PyErr_SetString(PyExc_ValueError, "the state page's units lie outside of it");
        return -1;
    }
    units->count = (uint32_t)count;
    units->states = cells + states;
    units->memory = (char *)page->buf + at;
    return 0;
}

/* Takes units for so many bytes and returns the first; -1: there are not as
 * many free ones in a row. Always the first that fit: those that were used last
 * are likely in the processor's cache. Threads take units only under the GIL;
 * the master frees them at any time. */
int64_t
page_take(Units *units, size_t size)
{
    uint32_t needed = (uint32_t)((size + PAGE_UNIT - 1) / PAGE_UNIT), run = 0;
    for (uint64_t i = 0; i < units->count;) {
        uint64_t taken = __atomic_load_n(&units->states[i], __ATOMIC_ACQUIRE);
        if (taken > 0) {
            run = 0;
            i += taken;
            continue;
        }
        i++;
        if (++run == needed) {
            __atomic_store_n(&units->states[i - needed], needed, __ATOMIC_RELAXED);
            return (int64_t)(i - needed);
        }
    }
    return -1;
}

/* Gives back units that the master has not heard of. */
void
page_give_back(Units *units, uint32_t place)
{
    __atomic_store_n(&units->states[place], 0, __ATOMIC_RELEASE);
}

static void
copy_unlocked(char *to, PyObject *block)
{
    const char *data = BYTES_DATA(block);
    size_t size = (size_t)BYTES_SIZE(block);
    Py_INCREF(block); /* the app may let go of it meanwhile */
    Py_BEGIN_ALLOW_THREADS
    memcpy(to, data, size);
    Py_END_ALLOW_THREADS
    Py_DECREF(block);
}

/* Copies blocks (bytes objects) to units that were taken for them. The GIL is
 * held unless there is but one and it is large: of others the app could change
 * the list meanwhile. */
void
page_fill(Units *units, uint32_t place, PyObject *const *blocks, Py_ssize_t count)
{
    char *to = units->memory + (size_t)place * PAGE_UNIT;
    if (count == 1 && BYTES_SIZE(blocks[0]) > LARGE) {
        copy_unlocked(to, blocks[0]);
        return;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        size_t size = (size_t)BYTES_SIZE(blocks[i]);
        memcpy(to, BYTES_DATA(blocks[i]), size);
        to += size;
    }
}
