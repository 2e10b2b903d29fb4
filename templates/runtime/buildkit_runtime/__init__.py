"""Programs that run inside an image: script-mode training and serving under the SageMaker contract.

Copied as a whole to `/opt/buildkit`. Training needs the standard library only; serving needs
gunicorn and werkzeug. Codes such as RUN-08 in docstrings name the clauses of that contract.
"""
