"""A local language model behind an OpenAI-compatible HTTP address, on the loopback interface.

Prints one line of JSON when ready, {"address": ..., "version": ...}, and ends when its standard input closes, so that
it cannot outlive the program that started it.
"""

import argparse
import importlib.metadata
import json
import os
import sys
import threading


def end_with_parent() -> None:
    """Ends the process as soon as the other end of standard input is gone."""
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="a GGUF file")
    parser.add_argument("--alias", required=True, help="the name that requests use for the model")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--context", type=int, default=4096)
    parser.add_argument("--template", help="a file with another chat template than the model's own")
    args = parser.parse_args()
    threading.Thread(target=end_with_parent, daemon=True).start()

    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = args.model
    params.model_alias = {args.alias}
    params.n_ctx = args.context
    # One slot: the prompt's common beginning stays in its cache from one turn to the next.
    params.n_parallel = 1
    params.cpuparams.n_threads = args.threads
    params.cpuparams_batch.n_threads = args.threads
    params.hostnames = ["127.0.0.1"]
    params.port = args.port
    params.use_jinja = True
    params.warmup = True
    if args.template:
        with open(args.template, encoding="utf-8") as template:
            params.chat_template = template.read()
    server = xllamacpp.Server(params)
    ready = {"address": server.listening_address, "version": importlib.metadata.version("xllamacpp")}
    print(json.dumps(ready), flush=True)
    threading.Event().wait()


main()
