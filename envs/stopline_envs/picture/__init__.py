"""A running network as a picture: what `render_mode="rgb_array"` gives, and PNG and GIF files for reports."""

from stopline_envs.picture.files import save_film, save_picture
from stopline_envs.picture.map import MapPicture
from stopline_envs.picture.scene import Scene, take_scene

__all__ = ["MapPicture", "Scene", "save_film", "save_picture", "take_scene"]
