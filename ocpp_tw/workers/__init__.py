"""
One central system out of several processes.

The master listens, and holds no station; each worker takes connections from
a socket of its own, and the kernel deals them out.  What a worker has to know
of the others goes through the master, one message after another, so that all
of them hear everything in the same order.
"""
