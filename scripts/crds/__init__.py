"""Custom resource definitions from the models of `ioc_runtime.spec`.

python -m scripts.crds            write crds/
python -m scripts.crds --check    say whether they are up to date
"""
