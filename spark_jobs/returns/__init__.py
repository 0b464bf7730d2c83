"""What a department is given back: its rejected rows, marked in workbooks. `spark_jobs/send_back.py` is the command."""
