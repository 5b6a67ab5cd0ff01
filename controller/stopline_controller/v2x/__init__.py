"""SAE J2735 signal requests in, signal status out; needs the extra stopline[v2x].

`frames` knows the bytes, `translation` the meaning, `inlet` the socket. Nothing here checks a signature:
frames come from the roadside unit's software, which has (IEEE 1609.2), over a socket that only this machine
reaches.
"""
