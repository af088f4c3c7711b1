"""Where inputs come from: files, arrays, watched folders, cameras and video."""
