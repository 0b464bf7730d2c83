"""How bytes move: one verb per file, each safe to run twice. `python -m spark_jobs.<verb>`, or `./kho <verb>`."""
