import Glibc

/// Writing to a client that has left must be an error of that write, not a signal that ends the process.
func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }
