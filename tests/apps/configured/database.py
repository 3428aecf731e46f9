"""Stands for a database's driver: processes must not share its connection, and
it waits in C, where greenlets cannot take turns, unless it is told how else."""
import ctypes
import os

owner = None
_wait_callback = None
_libc = ctypes.CDLL(None)


def connect():
    global owner
    owner = os.getpid()


def set_wait_callback(callback):
    """As psycopg2.extensions has it."""
    global _wait_callback
    _wait_callback = callback


def wait(seconds):
    """A query that takes so long."""
    if _wait_callback is not None:
        _wait_callback(seconds)
    else:
        _libc.usleep(int(seconds * 1e6))
