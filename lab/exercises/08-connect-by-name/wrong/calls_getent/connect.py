import socket
import subprocess
import sys

name, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])

found = subprocess.run(["getent", "ahostsv4", name], capture_output=True, text=True).stdout
addresses = [line.split()[0] for line in found.splitlines() if "STREAM" in line]
if not addresses:
    try:
        socket.getaddrinfo(name, port)
    except socket.gaierror as error:
        words = {socket.EAI_NONAME: "no such name", socket.EAI_NODATA: "no address"}
        print(words.get(error.errno, "no name server"))
    sys.exit(1)

for address in addresses:
    with socket.socket() as s:
        s.settimeout(seconds)
        try:
            s.connect((address, port))
        except ConnectionRefusedError:
            print("refused", address)
        except TimeoutError:
            print("silent", address)
        else:
            print("connected", address)
            sys.exit(0)
sys.exit(1)
