"""An access log of one's own in a file."""
import os

workers = 1
accesslog = os.environ["ACCESS_LOG"]
access_log_format = '%({x-forwarded-for}i)s %(h)s %(l)s %(u)s [%(t)s] "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(L)ss <%(p)s> %(m)s %(U)s %(q)s %(H)s %({content-type}o)s %({x-none}o)s'
