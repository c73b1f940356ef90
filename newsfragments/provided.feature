A backend that is not all of the interfaces it says it provides is refused at start, with what is missing.
