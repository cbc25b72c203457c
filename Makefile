.PHONY: view
view:  # the import names, as links, for type checkers (they cannot follow the editable finder)
	@mkdir -p .view/phenostream && touch .view/phenostream/py.typed
	@for d in daemon engine trainer deploy; do ln -sfn ../../$$d .view/phenostream/$$d; done
