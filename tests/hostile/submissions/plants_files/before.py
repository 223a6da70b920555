"""What programs of ours could load in its host, each of which would end them with a wrong word."""

import os as _os

_HOME = _os.path.expanduser("~")
_END = "import os\nos.write(1, b'planted\\n')\nos._exit(0)\n"
_SHELL = "#!/bin/sh\necho planted\nexit 0\n"
_MODULES = "socket json base64 errno struct time select contextlib random encodings sitecustomize usercustomize".split()
_TOOLS = "ss ip python3 sh conntrack nft cat ps strace tcpdump env test stat".split()

_files = {f"{folder}/{name}.py": _END for folder in (_HOME, f"{_HOME}/programs", f"{_HOME}/submission", "/tmp",
          f"{_HOME}/.local/lib/python3.11/site-packages", "/usr/lib/python3/dist-packages") for name in _MODULES}
_files |= {f"{folder}/{name}": _SHELL for folder in (f"{_HOME}/bin", f"{_HOME}/.local/bin", "/usr/local/bin", "/tmp")
           for name in _TOOLS}
_files |= {f"{_HOME}/programs/{name}": _END for name in ("peer.py", "teller.py")}
_files |= {f"{_HOME}/{name}": "exit 0\n" for name in (".bashrc", ".profile", ".bash_profile", ".pythonstartup")}
_files |= {f"{_HOME}/.config/{name}": "echo planted\n" for name in ("fish/config.fish", "environment.d/x.conf")}
_files |= {f"{_HOME}/.local/lib/python3.11/site-packages/x.pth": "import os; os._exit(0)\n",
           f"{_HOME}/gai.conf": "precedence ::ffff:0:0/96 100\n", f"{_HOME}/.hushlogin": "", f"{_HOME}/.nscd": "",
           f"{_HOME}/pyvenv.cfg": "home = /tmp\n"}
for _path, _text in _files.items():
    if _path in (f"{_HOME}/submission/socket.py",) or _path.startswith(f"{_HOME}/submission/"):
        continue  # it needs them itself
    try:
        _os.makedirs(_os.path.dirname(_path), exist_ok=True)
        with open(_path, "w") as _file:
            _file.write(_text)
        _os.chmod(_path, 0o755)
    except OSError:
        pass
