"""Ends a program that a test has started: asked first, killed when it does not listen."""

import subprocess


def end(process: subprocess.Popen[bytes], patience_s: float = 5) -> None:
    """SIGTERM, then SIGKILL after `patience_s`; returns when it has ended. Harmless when it had."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
