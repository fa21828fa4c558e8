"""The positive control: can what is built here learn a rule from demonstrations at all?"""
