"""Programs that run inside an image: script-mode training and serving under the SageMaker contract.

Copied as a whole to `/opt/buildkit`. Training needs only the standard library; serving needs
gunicorn and werkzeug. Codes such as RUN-08 are clauses of the contract.
"""
