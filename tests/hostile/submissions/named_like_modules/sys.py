raise SystemExit("this is not the module")
