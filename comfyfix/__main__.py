"""`python -m comfyfix` is `comfyfix`."""

from comfyfix.tasks.program import main

if __name__ == "__main__":
    main()
