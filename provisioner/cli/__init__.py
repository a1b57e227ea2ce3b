"""The command line: parse, call, return a result; `render.py` is the only printer."""
