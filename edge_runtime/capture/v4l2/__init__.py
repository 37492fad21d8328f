"""What Linux says of a USB camera: OpenCV says yes to formats and values that a camera has not.

`structures` are the kernel's, as bytes; `device` asks by them; `choice` says which mode to ask for;
`controls` are exposure, focus, gain and the like.
"""
