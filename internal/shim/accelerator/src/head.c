/* Checks and encodes the status and header fields that an app hands over: the
 * rules of heads.py, for strings that are ASCII. What it does not accept is
 * not thereby wrong: heads.py looks at it again, and says what is. */
#include <stdlib.h>

#include "girin.h"

enum { KEPT_CAPACITY = 64 << 10, MAX_DIGITS = 18 };

/* Characters of a token (RFC 9110, section 5.6.2). */
static const char is_token[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,
    ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1,
    ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1,
    ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1, ['F'] = 1, ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1,
    ['K'] = 1, ['L'] = 1, ['M'] = 1, ['N'] = 1, ['O'] = 1, ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1,
    ['U'] = 1, ['V'] = 1, ['W'] = 1, ['X'] = 1, ['Y'] = 1, ['Z'] = 1,
    ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1,
    ['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1,
    ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1,
};

static int
token(const char *text, Py_ssize_t size)
{
    int good = size > 0;
    for (Py_ssize_t i = 0; i < size; i++) {
        good &= is_token[(unsigned char)text[i]];
    }
    return good;
}

/* Printable ASCII and tabs only (RFC 9110, section 5.5). */
static int
visible(const char *text, Py_ssize_t size)
{
    int bad = 0;
    for (Py_ssize_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        bad |= (c < 0x20 && c != '\t') | (c > 0x7e);
    }
    return !bad;
}

static int
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int
is_content_length(const char *name, Py_ssize_t size)
{
    static const char lower[] = "content-length";
    if (size != sizeof lower - 1) {
        return 0;
    }
    for (Py_ssize_t i = 0; i < size; i++) {
        if ((name[i] | 0x20) != lower[i]) {
            return 0;
        }
    }
    return 1;
}

static int
status_line(Head *head, const char *text, Py_ssize_t size)
{
    if (size < 3 || text[0] < '2' || text[0] > '9' || !is_digit(text[1]) || !is_digit(text[2])) {
        return 0;
    }
    head->bodiless = memcmp(text, "204", 3) == 0 || memcmp(text, "304", 3) == 0;
    return size == 3 || (text[3] == ' ' && visible(text + 4, size - 4));
}

/* Takes the value of a Content-Length that was not given before. */
static int
content_length(Head *head, const char *text, Py_ssize_t size)
{
    if (head->length >= 0 || size < 1 || size > MAX_DIGITS) {
        return 0;
    }
    int64_t length = 0;
    for (Py_ssize_t i = 0; i < size; i++) {
        if (!is_digit(text[i])) {
            return 0;
        }
        length = length * 10 + (text[i] - '0');
    }
    head->length = length;
    return 1;
}

/* Appends a string, after a NUL unless it is the first; 0: no memory, or the
 * block grows beyond what is allowed, which heads.py will say. */
static int
append(Head *head, const char *text, Py_ssize_t size)
{
    size_t needed = head->size + (size_t)size + 1;
    if (needed > head->capacity) {
        size_t capacity = needed < 512 ? 1024 : 2 * needed;
        char *data = needed <= MAX_HEAD_BLOCK ? realloc(head->data, capacity) : NULL;
        if (data == NULL) {
            return 0;
        }
        head->data = data;
        head->capacity = capacity;
    }
    if (head->size > 0) {
        head->data[head->size++] = '\0';
    }
    memcpy(head->data + head->size, text, (size_t)size);
    head->size += (size_t)size;
    return 1;
}

static int
is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* Adds a field without the spaces around its value: they are no part of it (RFC
 * 9110, section 5.5), and HTTP/2 forbids them. */
static int
add_field(Head *head, const char *name, Py_ssize_t name_size, const char *value, Py_ssize_t value_size)
{
    while (value_size > 0 && is_space(*value)) {
        value++;
        value_size--;
    }
    while (value_size > 0 && is_space(value[value_size - 1])) {
        value_size--;
    }
    int good = token(name, name_size);
    good = good && (is_content_length(name, name_size) ? content_length(head, value, value_size)
                                                       : visible(value, value_size));
    return good && append(head, name, name_size) && append(head, value, value_size);
}

static int
field(Head *head, PyObject *item)
{
    if (!PyTuple_CheckExact(item) || TUPLE_SIZE(item) != 2) {
        return 0;
    }
    Py_ssize_t name_size = 0, value_size = 0;
    const char *name = ascii_text(TUPLE_ITEM(item, 0), &name_size);
    const char *value = ascii_text(TUPLE_ITEM(item, 1), &value_size);
    return name != NULL && value != NULL && add_field(head, name, name_size, value, value_size);
}

/* Encodes a head block into head; 0: that is left to heads.py. Runs no code of
 * the app's: only exact types are accepted. */
int
head_encode(Head *head, PyObject *status, PyObject *headers)
{
    head_reset(head);
    Py_ssize_t size;
    const char *text = ascii_text(status, &size);
    if (text == NULL || !status_line(head, text, size) || !append(head, text, size)) {
        return 0;
    }
    if (!PyList_CheckExact(headers) || LIST_SIZE(headers) > MAX_FIELDS) {
        return 0;
    }
    head->fields = (unsigned)LIST_SIZE(headers);
    for (Py_ssize_t i = 0; i < LIST_SIZE(headers); i++) {
        if (!field(head, LIST_ITEM(headers, i))) {
            return 0;
        }
    }
    head->given = 1;
    return 1;
}

/* Begins a head block with a status line, as bytes; 0: as above. */
int
head_begin(Head *head, PyObject *status)
{
    head_reset(head);
    head->given = status_line(head, BYTES_DATA(status), BYTES_SIZE(status)) &&
                  append(head, BYTES_DATA(status), BYTES_SIZE(status));
    return head->given;
}

/* Adds a field of two bytes objects. */
int
head_add(Head *head, PyObject *name, PyObject *value)
{
    return add_field(head, BYTES_DATA(name), BYTES_SIZE(name), BYTES_DATA(value), BYTES_SIZE(value)) &&
           ++head->fields <= MAX_FIELDS;
}

/* Adds a note for the access log: of a variable that is gone if value is NULL; 0: left to
 * noting.py, as is all but short ASCII text. */
int
head_note(Head *head, PyObject *name, PyObject *value)
{
    enum { LONGEST = 1024 };
    Py_ssize_t name_size = 0, size = 1;
    const char *name_text = ascii_text(name, &name_size), *text = value != NULL ? ascii_text(value, &size) : "-";
    size_t before = head->size;
    if (name_text == NULL || text == NULL || size > LONGEST || memchr(text, '\0', (size_t)size) != NULL ||
        head->fields == MAX_FIELDS || !append(head, name_text, name_size) || !append(head, text, size)) {
        head->size = before;
        return 0;
    }
    head->notes_size += head->size - before;
    head->fields++;
    head->notes++;
    return 1;
}

/* Forgets the head; its memory is kept if it is not large. */
void
head_reset(Head *head)
{
    if (head->capacity > KEPT_CAPACITY) {
        free(head->data);
        head->data = NULL;
        head->capacity = 0;
    }
    head->size = 0;
    head->given = head->bodiless = 0;
    head->fields = head->notes = 0;
    head->notes_size = 0;
    head->length = -1;
}
