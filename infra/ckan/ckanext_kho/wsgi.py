"""What gunicorn serves: CKAN, configured by the file that CKAN_INI names."""

from ckan.cli import load_config
from ckan.config.middleware import make_app

application = make_app(load_config())
