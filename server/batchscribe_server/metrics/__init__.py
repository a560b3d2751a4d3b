"""What the service counts and measures, for Prometheus: the adapter behind `operations.observers`, and the HTTP port.

Names and labels are of the project's own words; times are in seconds and sizes in bytes. Labels are bounded: models
that the server could load, words of enums, and never the id of a job or a file.
"""
