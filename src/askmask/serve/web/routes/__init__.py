"""The routes of the API, one file per thing they speak of."""
