"""Parts of ``gpu_check.py``; each runs in a process of its own."""
