"""What computes: devices, processes, and each processor's fastest products."""
