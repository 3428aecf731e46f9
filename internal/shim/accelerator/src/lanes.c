/* Reads packets and waits for them. The usual case is done here: one lane that
 * holds a packet, or an epoll that says which lane does. Everything else - a
 * change of lanes, a wake-up, the end - is Lanes.wait of lanes.py. */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "girin.h"

/* Reads a packet from a lane. 0: errno is EAGAIN if there is none now, else
 * Python must find out why. */
static Py_ssize_t
read_lane(Slot *slot, int lane)
{
    errno = 0;
    ssize_t size = read(lane, slot->packet, MAX_PACKET); /* never waits: O_NONBLOCK */
    return size > 0 ? size : 0;
}

/* The lane to try first; -1: none, or an exception is set. */
static int
first_lane(Loop *loop)
{
    PyObject *first = PyObject_GetAttr(loop->lanes, loop->name_first);
    if (first == NULL) {
        return -1;
    }
    long lane = PyLong_AsLong(first);
    Py_DECREF(first);
    return (int)lane;
}

/* Waits in the epoll. Returns a lane that can be read, or -1: Python must see
 * to it, or an exception is set. Signals that came while no Python ran have
 * their handlers run first: they interrupt no wait that begins after them. */
static int
wait_in_epoll(Loop *loop)
{
    struct epoll_event events[2];
    int ready;
    if (PyErr_CheckSignals() < 0) {
        return -1;
    }
    Py_BEGIN_ALLOW_THREADS
    ready = epoll_wait(loop->epoll_fd, events, 2, -1);
    Py_END_ALLOW_THREADS
    if (ready < 0 && PyErr_CheckSignals() < 0) {
        return -1;
    }
    for (int i = 0; i < ready; i++) {
        if (events[i].data.fd == loop->wake_fd) {
            return -1;
        }
    }
    return ready > 0 ? events[0].data.fd : -1;
}

/* Takes over a packet that a method of Lanes returned; 0: it was None. */
static Py_ssize_t
from_python(Slot *slot, const char *method)
{
    PyObject *packet = PyObject_CallMethod(slot->loop->lanes, method, NULL);
    Py_ssize_t size = packet == NULL ? -1 : 0;
    char *data;
    if (packet != NULL && packet != Py_None) {
        size = PyBytes_AsStringAndSize(packet, &data, &size) < 0 ? -1 : size;
    }
    if (size > MAX_PACKET) {
        PyErr_SetString(slot->loop->protocol_error, "a packet is too long");
        size = -1;
    }
    if (size > 0) {
        memcpy(slot->packet, data, (size_t)size);
    }
    Py_XDECREF(packet);
    return size;
}

/* Tries the lanes after the first. */
static Py_ssize_t
read_others(Slot *slot)
{
    PyObject *active = PyObject_GetAttr(slot->loop->lanes, slot->loop->name_active);
    Py_ssize_t count = active != NULL ? PyTuple_Size(active) : -1;
    Py_XDECREF(active);
    return count > 1 ? from_python(slot, "read") : count < 0 ? -1 : 0;
}

/* Are the lanes to be read those in the epoll? If they change after this, the
 * epoll wakes. No lanes may mean that reading has stopped: Python knows. */
static int
is_watching(Loop *loop)
{
    PyObject *active = PyObject_GetAttr(loop->lanes, loop->name_active);
    PyObject *watched = PyObject_GetAttr(loop->lanes, loop->name_watched);
    int status = -1;
    if (active != NULL && watched != NULL) {
        status = active == watched && PyTuple_Size(active) > 0 && loop->epoll_fd >= 0;
    }
    Py_XDECREF(active);
    Py_XDECREF(watched);
    return status;
}

/* Waits for a packet; Python does it if it must change the epoll, and after a
 * wake-up. */
static Py_ssize_t
wait_for_packet(Slot *slot)
{
    int watching;
    while ((watching = is_watching(slot->loop)) > 0) {
        int lane = wait_in_epoll(slot->loop);
        Py_ssize_t size = lane >= 0 ? read_lane(slot, lane) : 0;
        if (size > 0 || PyErr_Occurred()) {
            return size > 0 ? size : -1;
        }
        if (lane < 0 || errno != EAGAIN) {
            break;
        }
    }
    return watching < 0 ? -1 : from_python(slot, "wait");
}

/* Puts the next packet into slot->packet and returns its size; 0: there will
 * be none. Before it waits it sends the batch. */
Py_ssize_t
lanes_next(Slot *slot)
{
    int lane = first_lane(slot->loop);
    if (lane < 0 && PyErr_Occurred()) {
        return -1;
    }
    Py_ssize_t size = lane >= 0 ? read_lane(slot, lane) : 0;
    if (size == 0) {
        size = read_others(slot);
    }
    if (size == 0) {
        slot_flush(slot);
        size = wait_for_packet(slot);
    }
    return size;
}
