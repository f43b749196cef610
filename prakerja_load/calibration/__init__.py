"""Known lengths that the instrument is held against: a calibrated server, closed forms, exact replays, the doctor."""
