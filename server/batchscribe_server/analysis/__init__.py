"""What transcripts mean: rules and statistics of the service's own, and a language model where an operator names one.

`embedded` is pure: nothing is downloaded, and the same transcript gives the same analysis. `Analyst` puts it in a
thread, and asks the language model for what that does better.
"""
