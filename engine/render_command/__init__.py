"""``anymole render``: pictures of any skinned character."""
