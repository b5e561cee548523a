"""Middleware: what every request passes on its way to its route.

The order, the outermost first, so that each answer has what those outside of its maker add:

1. `request_id`: the id, in the answer and in each line that is logged meanwhile.
2. `draining`: the end of the connection with the answer, while the server ends.
3. `access_log`: a line and a count.
4. `cors`: the headers for browsers of other origins, if any are allowed.
5. `access.rate_limit.AddressLimit`: the request rate of strangers, if it is limited.
6. `limits.RequestLimits`: requests and bytes of bodies.
7. `internal_errors`: 500 for an unforeseen exception.
"""
