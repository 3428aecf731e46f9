/* How long the steps of a request have held the loop: steps.py. */
#include <sys/resource.h>

#include "asgi.h"

static Usage
usage_of_thread(void)
{
    Usage usage = {0, 0};
#ifdef RUSAGE_THREAD
    struct rusage used;
    if (getrusage(RUSAGE_THREAD, &used) == 0) {
        usage.cpu = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000000u +
                    (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000u;
        usage.waits = used.ru_nvcsw;
    }
#endif
    return usage;
}

/* How long the present step has held the loop until now: cost in steps.py. */
uint64_t
call_step_cost(const Call *call, uint64_t now)
{
    uint64_t took = now - call->stepping;
#ifdef RUSAGE_THREAD
    enum { LONG_STEP = 5000000 }; /* ns */
    if (took >= LONG_STEP) {
        Usage usage = usage_of_thread();
        uint64_t cpu = usage.cpu - call->usage.cpu;
        if (usage.waits == call->usage.waits && cpu < took) {
            return cpu;
        }
    }
#endif
    return took;
}

/* Tells who took over when the present step began, and how long those before took. */
static int
tell_held(Call *call)
{
    if (call->full == NULL || !call->measured) {
        return 0;
    }
    PyObject *held = PyLong_FromUnsignedLongLong(call->held), *stepping = PyLong_FromUnsignedLongLong(call->stepping);
    PyObject *usage = Py_BuildValue("(Kl)", (unsigned long long)call->usage.cpu, call->usage.waits);
    int failed = held == NULL || stepping == NULL || usage == NULL ||
                 PyObject_SetAttr(call->full, call->intake->name_held, held) < 0 ||
                 PyObject_SetAttr(call->full, call->intake->name_usage, usage) < 0 ||
                 PyObject_SetAttr(call->full, call->intake->name_stepping, stepping) < 0;
    Py_XDECREF(held);
    Py_XDECREF(usage);
    Py_XDECREF(stepping);
    return failed ? -1 : 0;
}

/* A step begins: it holds the loop. */
int
call_begin_step(Call *call)
{
    call->stepping = call->intake->starting ? call->began : clock_ns(CLOCK_MONOTONIC);
    __atomic_store_n(call->intake->step, call->stepping, __ATOMIC_RELAXED);
    if (call->measured) {
        call->usage = usage_of_thread();
    }
    return tell_held(call);
}

/* A step has ended, after which the app waits for something. */
int
call_end_step(Call *call)
{
    if (call->measured) {
        call->held += call_step_cost(call, clock_ns(CLOCK_MONOTONIC));
    }
    call->stepping = 0;
    return tell_held(call);
}
