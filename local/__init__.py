"""The speech-emotion part of the recipes, one package per stage; stages meet in files only."""
