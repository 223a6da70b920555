import socket

HOST = '127.0.0.1' # Listen on localhost
PORT = 65432 # Port to listen on

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s: # Create TCP Socket
    s.bind((HOST, PORT))
    s.listen()
    conn, addr = s.accept() # Accept connection, gets NEW socket
    with conn:
        print('Connected by', addr)
        while True:
            data = conn.recv(1024)
            if not data:
                break
            conn.sendall(data)
