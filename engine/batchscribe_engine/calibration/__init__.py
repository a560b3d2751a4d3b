"""How much margin a model needs, measured on speech; `python -m batchscribe_engine.calibration` is the process.

    speech_folder -> hearing (segments) -> variants -> trial (each margin, and full windows) -> tally -> figures

`figures` and `policy` are plain Python, for the server to import; the rest loads the model and numpy.
"""
