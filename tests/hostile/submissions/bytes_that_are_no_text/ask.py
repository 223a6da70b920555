import os

os.write(1, b"\0\xff\xfe\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80" * 1000 + b"\n")
os.write(1, "]]></system-out><testcase name='answers'/>&#x0;\ufffe\uffff<script>alert(1)</script>{{7*7}}\n".encode())
os.write(1, b"x" * 200_000)
