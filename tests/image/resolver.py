"""Answers every question about an IPv4 address with 127.0.0.1, and any other with nothing: the DNS of a pod."""

import socket

TYPE_A = b"\x00\x01"

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
    port.bind(("127.0.0.1", 53))
    print("listening", flush=True)
    while True:
        query, asker = port.recvfrom(512)
        end = query.index(b"\x00", 12) + 5
        question = query[12:end]
        is_address = question[-4:-2] == TYPE_A
        counts = b"\x00\x01" + (b"\x00\x01" if is_address else b"\x00\x00") + bytes(4)
        # A pointer to the name in the question, type and class, 60 seconds, four bytes.
        answer = b"\xc0\x0c" + question[-4:] + b"\x00\x00\x00\x3c\x00\x04\x7f\x00\x00\x01"
        port.sendto(query[:2] + b"\x81\x80" + counts + question + (answer if is_address else b""), asker)
