# SPDX-License-Identifier: BSD-2-Clause
"""SQLAlchemy: 30 authors and the books of each; one query for each author ("bad"), or one for all. It loads greenlet."""
import os
import sqlite3  # noqa: F401  what is loaded before the trace begins is probed from its first call
import sys
import time

import psycopg2  # noqa: F401
import sqlalchemy as sa
from sqlalchemy.orm import Session, declarative_base, relationship, selectinload

Base = declarative_base()


class Author(Base):
    __tablename__ = 'orm_author'
    id = sa.Column(sa.Integer, primary_key=True)
    books = relationship('Book')


class Book(Base):
    __tablename__ = 'orm_book'
    id = sa.Column(sa.Integer, primary_key=True)
    author_id = sa.Column(sa.ForeignKey('orm_author.id'))


url = 'postgresql+psycopg2://%s@/%s?host=%s' % tuple(os.environ.get(n) for n in ('PGUSER', 'PGDATABASE', 'PGHOST'))
engine = sa.create_engine(url if sys.argv[2] == 'postgresql' else 'sqlite://')
print('ready', flush=True)
sys.stdin.readline()
Base.metadata.create_all(engine)
with Session(engine) as session:
    session.execute(sa.insert(Author).values([{'id': i} for i in range(30)]))
    session.execute(sa.insert(Book).values([{'id': i, 'author_id': i} for i in range(30)]))
    session.commit()
time.sleep(0.3)
with Session(engine) as session:
    query = session.query(Author)
    if sys.argv[1] != 'bad':
        query = query.options(selectinload(Author.books))
    assert sum(len(author.books) for author in query) == 30
time.sleep(0.3)
Base.metadata.drop_all(engine)
engine.dispose()
