# SPDX-License-Identifier: BSD-2-Clause
"""Django: 30 books and the author of each; one query for each author ("bad"), or all with the books."""
import os
import sqlite3  # noqa: F401  what is loaded before the trace begins is probed from its first call
import sys
import time

import django
import psycopg2  # noqa: F401
from django.conf import settings

POSTGRES = {'ENGINE': 'django.db.backends.postgresql', 'NAME': os.environ.get('PGDATABASE'), 'HOST': os.environ.get('PGHOST'), 'USER': os.environ.get('PGUSER')}
SQLITE = {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}
settings.configure(DATABASES={'default': POSTGRES if sys.argv[2] == 'postgresql' else SQLITE}, USE_TZ=True)
django.setup()
from django.db import connection, models  # noqa: E402  pylint: disable=wrong-import-position


class Author(models.Model):
    name = models.TextField()

    class Meta:
        app_label = 'shop'


class Book(models.Model):
    author = models.ForeignKey(Author, on_delete=models.CASCADE)

    class Meta:
        app_label = 'shop'


print('ready', flush=True)
sys.stdin.readline()
with connection.schema_editor() as editor:
    editor.create_model(Author)
    editor.create_model(Book)
Author.objects.bulk_create([Author(name='author %d' % i) for i in range(30)])
Book.objects.bulk_create([Book(author=author) for author in Author.objects.all()])
time.sleep(0.3)
if sys.argv[1] == 'bad':
    names = [book.author.name for book in Book.objects.all()]
else:
    names = [book.author.name for book in Book.objects.select_related('author')]
    names = [len(author.book_set.all()) for author in Author.objects.prefetch_related('book_set')]
assert len(names) == 30
time.sleep(0.3)
with connection.schema_editor() as editor:
    editor.delete_model(Book)
    editor.delete_model(Author)
