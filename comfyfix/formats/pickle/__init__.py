"""A judge of pickles: can one run code when its reader loads it?

A list of allowed names can't tell, because objects of harmless classes ask what they are given for
its methods. So this is a type system over what a pickle builds. Every value has kinds, every name a
signature, every instruction too; a pickle that fits them runs only code of Python, torch, numpy,
ultralytics and OmegaConf that was read, on values in which nothing can be called.

The kinds:

- *Key*: None, a truth value, a number, text, bytes; a tuple or frozenset of keys. Nothing else is
  ever hashed: keys of dicts, members of sets.
- *Data*: a key, Ellipsis, a bytearray; a tuple, list, dict or set of data.
- *Value*: data; tensors, storages, arrays, types of items, devices, layouts; sizes, paths, dates,
  complex, slices, ranges; OrderedDict, defaultdict, Counter, deque, AttributeDict, namespaces and
  OmegaConf's nodes of values; a tuple, list or dict of values. None of them holds anything that can
  be called.
- *Module*: an object of a class of torch.nn or ultralytics, or of one of ultralytics' losses.
- *Name*: what was imported. It is no value: it is called, or stands where its row says.

The rules:

1. A name is imported only if `names.py` has a row for it, compared whole, as Python's reader would
   find it: under a protocol below 3 it translates the names of Python 2.
2. A call (REDUCE, OBJ, INST with arguments) fits a signature of its row (`calls.py`,
   `special.py`). A class is made bare (NEWOBJ, OBJ and INST without) only if its row says so
   (`classes.py`).
3. APPEND and APPENDS fill a list or deque with values; ADDITEMS fills a set that EMPTY_SET made
   with keys; SETITEM and SETITEMS fill a dict, OrderedDict, defaultdict, Counter or AttributeDict
   under keys. A dict may hold what is no value: then it stands only where a rule looks at its
   entries. So may an OrderedDict hold modules.
4. What has been used, as an argument, member, attribute or state, is not filled any more.
5. BUILD gives an object its state once. That is an exact dict of attributes: text, none beginning
   with `__`, each a value but for those that its row names; or the tuple that its row names. What
   an attribute shadows does not matter, since no value can be called. An object may be named
   before its state comes.
6. Modules stand as the root, in `_modules`, as entries of a root that is an exact dict, and as
   parts of a loss; a loss as `criterion`. The tables of a module hold tensors or modules, its
   hooks are empty. `getattr` gives a method of ultralytics, which stands only as `forward` or
   `detect` of one of its modules. Functions of `torch.nn.functional` stand as `activation` of a
   transformer layer, Lightning's callbacks as keys of the root's `callbacks`.
7. Every instruction that Python's reader takes is modelled, or the file is unsafe. "Damaged" is
   only where each reader stops; where some would go on, the walk does too, and says so at the end.
8. The walk takes at most a second and one more for each megabyte, and 256 MB.
"""
